"""Makes vectors.json from the public rules of the draw alone (libs/draw/README.md), so that libraries are tested against another's work."""
import copy
import json
import pathlib
from fractions import Fraction
from hashlib import sha256


def digest(text):
    return sha256(text.encode()).hexdigest()


def draw(name, members, quotas, secret, entropy, source="公开随机源", replaced=(), exclusions=""):
    """A complete bundle; `replaced` are (stratum, place among the tickets, reason), in the order in which it was found out."""
    members = sorted(members, key=lambda member: member[0].encode())
    roster = "".join(f"{uscc},{stratum}\n" for uscc, stratum in members)
    counts = {}
    for stratum in sorted({stratum for _, stratum in members}, key=str.encode):
        size = sum(stratum == other for _, other in members)
        percent, at_least = quotas.get(stratum, ("0", 0))
        counts[stratum] = min(size, max(at_least, -(-Fraction(percent) * size // 100)))
    quota_text = "".join(f"{stratum},{k}\n" for stratum, k in counts.items())
    seed = digest("\n".join([secret, entropy, digest(roster), quota_text]))
    tickets = {
        stratum: sorted((digest(f"{seed}\n{uscc}"), uscc) for uscc, other in members if other == stratum)
        for stratum in counts
    }
    bundle = {
        "drawId": name, "roster": roster, "rosterDigest": digest(roster), "quotaText": quota_text, "commitment": digest(secret),
        "entropySource": source, "secret": secret, "entropy": entropy, "seed": seed,
        "selected": [
            {"uscc": uscc, "stratum": stratum, "ticket": ticket}
            for stratum, k in counts.items() for ticket, uscc in tickets[stratum][:k]
        ],
        "replacements": [],
    }
    if exclusions:
        bundle |= {"exclusions": exclusions, "exclusionsDigest": digest(exclusions)}
    called = dict(counts)
    for stratum, place, reason in replaced:
        ticket, uscc = tickets[stratum][called[stratum]]
        called[stratum] += 1
        bundle["replacements"].append(
            {"uscc": tickets[stratum][place][1], "replacedBy": uscc, "stratum": stratum, "ticket": ticket, "reason": reason})
    return bundle


def bare(bundle):
    """What everybody may see where the grades are not public."""
    bundle = copy.deepcopy(bundle)
    for key in ("roster", "exclusions"):
        bundle.pop(key, None)
    for one in bundle["selected"] + bundle["replacements"]:
        del one["stratum"]
    bundle["selected"].sort(key=lambda one: one["ticket"])
    return bundle


def changed(bundle, path, value):
    bundle = copy.deepcopy(bundle)
    *into, last = path
    inner = bundle
    for key in into:
        inner = inner[key]
    inner[last] = value(inner[last])
    return bundle


codes = """91640399M00000019L 91640399M00000027F 91640399M00000035A 91640399M000000435 91640399M000000510 91640399M0000006XP
91640399M00000078P 91640399M00000086J 91640399M00000094D 91640399M000000A28 91640399M000000B03 91640399M000000C90""".split()
three = draw("three", [(code, "A") for code in codes[:3]], {"A": ("33.3333", 0)}, "00" * 32, "1")
strata = draw("strata", [(code, "ABCD"[place % 4]) for place, code in enumerate(codes)],
              {"A": ("0.0001", 0), "B": ("100", 0), "C": ("0", 2)}, bytes(range(32)).hex(), " 骰子 3 5 2\n6 1 4 ",
              replaced=[("A", 0, "已注销"), ("A", 1, "已达年度检查频次上限 at the yearly cap: 1 of 1 in 2026"), ("C", 1, "停业")],
              exclusions=f"{codes[0][:-1]}X,AT_CAP,已达年度检查频次上限 at the yearly cap: 1 of 1 in 2026\n")
# UTF-8 orders 𠮷 (U+20BB7) after ｡ (U+FF61); UTF-16 does not.
names = draw("names", [(code, ["一般", "｡", "𠮷"][place % 3]) for place, code in enumerate(codes)],
             {"一般": ("50", 0), "｡": ("25", 0), "𠮷": ("12.5", 0)}, digest("secret"), "双色球 03 11 19 24 30 33 + 07")
own = bare(strata) | {"roster": f"{codes[1]},B\n"}
bundles = [{"verified": True, "bundle": bundle} for bundle in (three, strata, names, bare(strata), own)]
other = digest("another")
for path, value, named in [
    (["roster"], lambda text: text.replace(",A\n", ",D\n", 1), "rosterDigest"),
    (["quotaText"], lambda text: text.replace("C,2", "C,1"), "seed"),
    (["secret"], lambda text: "f" + text[1:], "commitment"),
    (["entropy"], lambda text: text.strip(), "seed"),
    (["commitment"], lambda _: other, "commitment"),
    (["seed"], lambda _: other, "seed"),
    (["selected", 0, "ticket"], lambda _: other, "selected[0].ticket"),
    (["selected"], lambda drawn: [drawn[1], drawn[0]] + drawn[2:], "selected[0]"),
    (["selected"], lambda drawn: drawn[:-1], "selected"),
    (["replacements", 1, "replacedBy"], lambda _: codes[3], "replacements[1].replacedBy"),
    (["exclusions"], lambda text: text.replace("1 of 1", "0 of 1"), "exclusionsDigest"),
]:
    bundles.append({"verified": False, "named": named, "bundle": changed(strata, path, value)})
ids = ["640399-001", "640399-002", "640399-003"]
inspectors = [
    {"seed": strata["seed"], "uscc": code, "ids": ids, "order": sorted(ids, key=lambda id: digest(f"{strata['seed']}\n{code}\n{id}"))}
    for code in codes[:4]
]
target = pathlib.Path(__file__).with_name("vectors.json")
target.write_text(json.dumps({"bundles": bundles, "inspectors": inspectors}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
