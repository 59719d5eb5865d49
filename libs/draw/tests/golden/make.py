"""Makes bundle.json from the public rules of the draw alone, so that the library is tested against another's work."""
import json
import pathlib
from fractions import Fraction
from hashlib import sha256
from math import ceil

MEMBERS = """91640399M00000019L,C 91640399M00000027F,B 91640399M00000035A,A 91640399M000000435,D
91640399M000000510,UNGRADED 91640399M0000006XP,B 91640399M00000078P,A 91640399M00000086J,D 91640399M00000094D,C
91640399M000000A28,UNGRADED 91640399M000000B03,A 91640399M000000C90,D 91640399M000000D7T,C 91640399M000000E5M,B
91640399M000000F3G,UNGRADED 91640399M000000G1B,D""".split()
QUOTAS = {"A": ("12.5", 0), "B": ("50", 0), "C": ("0.1", 2), "D": ("100", 0)}


def digest(text):
    return sha256(text.encode()).hexdigest()


members = sorted(tuple(line.split(",")) for line in MEMBERS)
roster = "".join(f"{uscc},{stratum}\n" for uscc, stratum in members)
drawn = {}
for stratum in sorted({stratum for _, stratum in members}):
    size = sum(stratum == other for _, other in members)
    percent, at_least = QUOTAS.get(stratum, ("0", 0))
    drawn[stratum] = min(size, max(at_least, ceil(Fraction(percent) * size / 100)))
quota_text = "".join(f"{stratum},{k}\n" for stratum, k in drawn.items())
secret = bytes(i * 7 % 256 for i in range(32)).hex()
entropy = "双色球 第2026123期 03 11 19 24 30 33 + 07"
seed = digest("\n".join([secret, entropy, digest(roster), quota_text]))
selected, replacements = [], []
for stratum, k in drawn.items():
    tickets = sorted((digest(f"{seed}\n{uscc}"), uscc) for uscc, other in members if other == stratum)
    selected += [{"uscc": uscc, "stratum": stratum, "ticket": ticket} for ticket, uscc in tickets[:k]]
    if stratum == "B":
        ticket, uscc = tickets[k]
        replacements = [{"uscc": tickets[0][1], "replacedBy": uscc, "stratum": "B", "ticket": ticket, "reason": "已注销"}]
bundle = {
    "drawId": "golden", "roster": roster, "quotaText": quota_text, "commitment": digest(secret),
    "entropySource": "中国福利彩票双色球", "secret": secret, "entropy": entropy, "seed": seed,
    "selected": selected, "replacements": replacements,
}
target = pathlib.Path(__file__).with_name("bundle.json")
target.write_text(json.dumps(bundle, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
