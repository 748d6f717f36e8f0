"""A W&B server for the tests, as `python tests/support/wandb_server.py HOW FILE`: prints its port.

HOW it answers: `well` (until FILE exists, from then on never), `never`, `500` or `garbage`.
"""
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RUN = {"id": "UnVu", "name": "abc", "displayName": "x", "description": "", "config": "{}", "sweepName": None,
       "historyLineCount": 0,
       "project": {"id": "p", "name": "fastricks", "entity": {"id": "e", "name": "me"}}, "files": {"edges": []}}
DATA = {"upsertBucket": {"bucket": RUN, "inserted": True},
        "viewer": {"id": "v", "entity": "me", "username": "me", "flags": "{}",
        "teams": {"edges": []}}, "serverInfo": {"features": []},
        "model": {"bucket": None, "name": "fastricks", "entity": {"name": "me"}},
        "createRunFiles": {"runID": "x", "uploadHeaders": [], "files": []}}


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args): pass

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        how, file = sys.argv[1:]
        if how == "never" or (how == "well" and os.path.exists(file)): time.sleep(3600)
        if how == "500": return self.reply(500, b'{"errors": [{"message": "no"}]}')
        if how == "garbage": return self.reply(200, b"<html>\xff</html>")
        self.reply(200, json.dumps({"limits": {}} if "/file_stream" in self.path else {"data": DATA}).encode())

    do_GET = do_PUT = do_HEAD = do_POST

    def reply(self, code, body):
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()
