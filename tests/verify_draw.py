"""Checks a draw bundle in a few lines of another language, written from the published arithmetic alone.

python3 verify_draw.py bundle.json: prints what it found; exit 0 verified, 1 not."""
import json
import sys
from fractions import Fraction
from hashlib import sha256


def digest(text):
    return sha256(text.encode()).hexdigest()


def faults(bundle):
    roster, quota = bundle["roster"], bundle["quotaText"]
    if digest(bundle["secret"]) != bundle["commitment"]:
        yield "the secret is not the one committed to"
    seed = digest("\n".join([bundle["secret"], bundle["entropy"], digest(roster), quota]))
    if seed != bundle["seed"]:
        yield "the seed differs"
    members = [line.split(",") for line in roster.splitlines()]
    if members != sorted(members, key=lambda member: member[0].encode()):
        yield "the roster is not in order"
    strata = {}
    for code, stratum in members:
        strata.setdefault(stratum, []).append((digest(seed + "\n" + code), code))
    expected = []
    for line in quota.splitlines():
        stratum, count = line.split(",")
        drawn = sorted(strata.pop(stratum))[: int(count)]
        expected += [{"uscc": code, "stratum": stratum, "ticket": ticket} for ticket, code in drawn]
    if strata:
        yield "strata without a quota line: " + ", ".join(strata)
    if expected != [{key: one[key] for key in ("uscc", "stratum", "ticket")} for one in bundle["selected"]]:
        yield "the selection differs"


def quota(members, percent, at_least):
    """k of a stratum: exact, rounded up, never more than its members."""
    return min(members, max(at_least, -(-Fraction(percent) * members // 100)))


if __name__ == "__main__":
    found = list(faults(json.load(open(sys.argv[1], encoding="utf-8"))))
    print("\n".join(found) or "verified")
    sys.exit(bool(found))
