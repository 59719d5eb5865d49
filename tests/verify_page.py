"""Drives the page /verify in headless Chromium over the published vectors: what it says is what they say.

python3 verify_page.py [picture.png]: exit 0 where each is judged as it says; 1 not; 3, said aloud, where Chromium is not installed."""
import html
import http.server
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = (ROOT / "services/gateway/src/verify.html").read_bytes()
VECTORS = json.loads((ROOT / "libs/draw/tests/golden/vectors.json").read_text(encoding="utf-8"))["bundles"]
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--hide-scrollbars"]


class Server(http.server.BaseHTTPRequestHandler):
    """The page, and each vector as a draw's bundle."""

    def do_GET(self):
        asked = re.fullmatch(r"/sampling/v1/draws/(\d+)/bundle:download", self.path)
        if self.path.startswith("/verify"):
            self.reply(PAGE, "text/html; charset=utf-8")
        elif asked:
            self.reply(json.dumps(VECTORS[int(asked[1])]["bundle"], ensure_ascii=False).encode(), "application/json")
        else:
            self.send_error(404)

    def reply(self, body, kind):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-security-policy",
                         "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def browse(url, *flags):
    with tempfile.TemporaryDirectory() as folder:
        command = ["chromium", *QUIET, f"--user-data-dir={folder}", "--virtual-time-budget=20000", *flags, url]
        return subprocess.run(command, capture_output=True, text=True, timeout=180).stdout


def main():
    if not shutil.which("chromium"):
        print("SKIPPED: chromium is not installed here, the page was not driven")
        return 3
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # 127.0.0.1 counts as a secure context, so that the browser's SHA-256 is used; another name of this machine does not, and the page's own is.
    secure = f"http://127.0.0.1:{server.server_port}/verify"
    insecure = f"http://draws.test:{server.server_port}/verify"
    mapped = "--host-resolver-rules=MAP draws.test 127.0.0.1"
    wrong = 0
    cases = [(secure, place, vector) for place, vector in enumerate(VECTORS)]
    cases += [(insecure, place, VECTORS[place]) for place in (1, 5, 8)]
    for base, place, vector in cases:
        dom = browse(f"{base}?draw={place}&lang=en", "--dump-dom", mapped)
        verdict = html.unescape((re.search(r'id="verdict"[^>]*>([^<]*)<', dom) or [None, "nothing"])[1])
        named = [html.unescape(path) for path in re.findall(r"<li><code>([^<]*)</code>", dom)]
        own = "own SHA-256" in (re.search(r'id="progress"[^>]*>([^<]*)<', html.unescape(dom)) or [None, ""])[1]
        right = verdict.startswith("✓ Verified") if vector["verified"] else (
            verdict.startswith("✗ Not verified") and vector["named"] in named)
        if not right or own != (base == insecure):
            wrong += 1
            print(f"vector {place} at {base}: {verdict} {named}, its own SHA-256: {own}")
    if len(sys.argv) > 1:
        browse(f"{secure}?draw=1&lang=zh", f"--screenshot={sys.argv[1]}", "--window-size=900,1500")
    print(f"{len(cases)} bundles checked in the browser, {wrong} judged wrongly")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
