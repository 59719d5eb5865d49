"""Checks a draw bundle in a few lines of another language, written from the published arithmetic alone (libs/draw/README.md).

python3 verify_draw.py bundle.json: prints what it found; exit 0 verified, 1 not.
python3 verify_draw.py --vectors vectors.json: checks the published vectors; exit 0 where each is judged as it says."""
import json
import sys
from fractions import Fraction
from hashlib import sha256


def digest(text):
    return sha256(text.encode()).hexdigest()


def faults(bundle):
    quota, selected, stood_in = bundle["quotaText"], bundle["selected"], bundle.get("replacements", [])
    if digest(bundle["secret"]) != bundle["commitment"]:
        yield "the secret is not the one committed to"
    roster = bundle.get("roster", "")
    # Beside the digest of a roster that is not public stands the subject's own line, or nothing.
    whole = roster and (len(roster.splitlines()) > 1 or digest(roster) == bundle.get("rosterDigest", digest(roster)))
    roster_digest = digest(roster) if whole else bundle["rosterDigest"]
    if bundle.get("rosterDigest", roster_digest) != roster_digest:
        yield "the roster is not the one committed to"
    if "exclusions" in bundle and digest(bundle["exclusions"]) != bundle["exclusionsDigest"]:
        yield "the exclusions are not the ones digested"
    seed = digest("\n".join([bundle["secret"], bundle["entropy"], roster_digest, quota]))
    if seed != bundle["seed"]:
        yield "the seed differs"
    for code, ticket in [(one["uscc"], one["ticket"]) for one in selected] + [(one["replacedBy"], one["ticket"]) for one in stood_in]:
        if digest(seed + "\n" + code) != ticket:
            yield "the ticket of " + code + " differs"
    if not whole:
        if len(selected) != sum(int(line.split(",")[1]) for line in quota.splitlines()):
            yield "the number drawn differs"
        return
    members = [line.split(",") for line in roster.split("\n")[:-1]]
    if members != sorted(members, key=lambda member: member[0].encode()):
        yield "the roster is not in order"
    strata = {}
    for code, stratum in members:
        strata.setdefault(stratum, []).append((digest(seed + "\n" + code), code))
    expected, called = [], {}
    for line in quota.splitlines():
        stratum, count = line.split(",")
        strata[stratum].sort()
        called[stratum] = int(count)
        expected += [{"uscc": code, "stratum": stratum, "ticket": ticket} for ticket, code in strata[stratum][: int(count)]]
    if strata.keys() != called.keys():
        yield "strata without a quota line: " + ", ".join(strata.keys() - called.keys())
    if expected != [{key: one[key] for key in ("uscc", "stratum", "ticket")} for one in selected]:
        yield "the selection differs"
    stratum_of, out = dict(members), set()
    for one in stood_in:
        stratum = stratum_of.get(one["uscc"])
        queue = [code for _, code in strata.get(stratum, [])]
        place = called.get(stratum, 0)
        if one["uscc"] not in queue[:place] or one["uscc"] in out or queue[place : place + 1] != [one["replacedBy"]]:
            yield "the replacement of " + one["uscc"] + " differs"
            return
        out.add(one["uscc"])
        called[stratum] += 1


def quota(members, percent, at_least):
    """k of a stratum: exact, rounded up, never more than its members."""
    return min(members, max(at_least, -(-Fraction(percent) * members // 100)))


def misjudged(vectors):
    for place, vector in enumerate(vectors["bundles"]):
        if (not list(faults(vector["bundle"]))) != vector["verified"]:
            yield f"bundle {place} is judged wrongly"
    for place, one in enumerate(vectors["inspectors"]):
        if sorted(one["ids"], key=lambda id: digest("\n".join([one["seed"], one["uscc"], id]))) != one["order"]:
            yield f"inspectors {place} come in another order"


if __name__ == "__main__":
    of_vectors = sys.argv[1] == "--vectors"
    content = json.load(open(sys.argv[2 if of_vectors else 1], encoding="utf-8"))
    found = list(misjudged(content) if of_vectors else faults(content))
    print("\n".join(found) or "verified")
    sys.exit(bool(found))
