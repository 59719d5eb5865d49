#!/usr/bin/env python3
"""Drives every call of the served OpenAPI with invented requests and looks for 5xx and for answers that are not documented.

    pip install schemathesis==4.32.5
    tests/fuzz.py [BINARY] [EXAMPLES]

Starts BINARY (target/debug/xinheng) on a folder of its own, signs in as the office, and ends with schemathesis' exit code. The
examples are drawn from a fixed seed, so that a failure comes again.
"""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "target/debug/xinheng")
EXAMPLES = sys.argv[2] if len(sys.argv) > 2 else "5"
CLIENTS = "^/identity/v1/clients"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_ready(admin, process):
    for _ in range(600):
        if process.poll() is not None:
            sys.exit("xinheng ended before it served")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    sys.exit("xinheng did not serve within a minute")


def token(base, folder):
    admin = json.loads((folder / "admin.json").read_text())
    form = {"grant_type": "client_credentials", "client_id": admin["clientId"], "client_secret": admin["clientSecret"]}
    with urllib.request.urlopen(f"{base}/oauth2/token", urllib.parse.urlencode(form).encode(), timeout=10) as answer:
        return json.load(answer)["access_token"]


def main():
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "data"
        port, admin = free_port(), free_port()
        flags = ["--data-dir", str(data), "--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin}", "--log", "warn"]
        # A token that outlives the run, which ends other clients' tokens and turns the keys.
        suite = subprocess.Popen([BINARY, "up", *flags, "--token-ttl-s", "86400"], stdout=subprocess.DEVNULL)
        try:
            wait_ready(admin, suite)
            base = f"http://127.0.0.1:{port}"
            command = ["schemathesis", "run", f"{base}/openapi.json", "--header", f"Authorization: Bearer {token(base, data)}"]
            command += ["--checks", CHECKS, "--max-examples", EXAMPLES, "--seed", "1", "--phases", "examples,coverage,fuzzing"]
            command += ["--request-timeout", "20", "--suppress-health-check", "all", "--no-color"]
            # A feed is open for as long as somebody listens; and who may revoke clients' tokens revokes the office's own in the end,
            # which is refused from then on: these calls come last.
            parts = [["--exclude-path-regex", f"changes:watch$|{CLIENTS}"], ["--include-path-regex", CLIENTS]]
            environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
            return max(subprocess.run(command + part, cwd=folder, env=environment).returncode for part in parts)
        finally:
            suite.send_signal(signal.SIGTERM)
            suite.wait(30)


sys.exit(main())
