"""A Hugging Face hub on this machine: models are made, get commits and are downloaded, as huggingface_hub's own client
asks for it.
"""
import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

TOKEN = "hf_" + "abcDEF" * 5


class Hub(ThreadingHTTPServer):
    """files: (user/name, file) -> bytes; asked: (method, path, authorization) of each request; private: name -> was it
    made so
    """
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.private, self.refuses = {}, [], {}, None

    @property
    def url(self): return f"http://127.0.0.1:{self.server_address[1]}"

    def names(self, place): return sorted(name for p, name in self.files if p == place)

    def commit(self, place):
        "What it calls the state of a model"
        text = "".join(f"{name}{hashlib.sha1(self.files[place, name]).hexdigest()}" for name in self.names(place))
        return hashlib.sha1(text.encode()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args): pass

    def body(self): return self.rfile.read(int(self.headers.get("content-length") or 0))

    def do_POST(self):
        hub, path, body = self.server, self.path.partition("?")[0], self.body()
        hub.asked.append(("POST", path, self.headers.get("authorization")))
        if hub.refuses: return self.reply(403, {"error": hub.refuses}, {"X-Error-Message": hub.refuses})
        if path == "/api/validate-yaml": return self.reply(200, {"errors": [], "warnings": []})
        if path == "/api/repos/create": return self.create(json.loads(body))
        place = "/".join(path.split("/")[3:5])
        if "/preupload/" in path: return self.reply(200, {"files": [
            {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in json.loads(body)["files"]]})
        for line in map(json.loads, body.decode().splitlines()):
            if line["key"] == "file":
                hub.files[place, line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        self.reply(200, {"commitUrl": f"{hub.url}/{place}/commit/{hub.commit(place)}", "commitOid": hub.commit(place),
                         "hookOutput": "",
                         "success": True})

    def create(self, asked):
        hub, place = self.server, f"{asked.get('organization')}/{asked['name']}"
        hub.private.setdefault(place, asked.get("private", asked.get("visibility") == "private"))
        self.reply(200, {"url": f"{hub.url}/{place}", "name": place})

    def do_GET(self):
        hub, path = self.server, self.path.partition("?")[0]
        hub.asked.append((self.command, path, self.headers.get("authorization")))
        user, name, _, _, file = [*path.strip("/").split("/", 4), *[""] * 5][:5]
        place = f"{user}/{name}"
        known = {"X-Repo-Commit": hub.commit(place)}
        if not hub.names(place):
            return self.reply(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        if (place, file) not in hub.files:
            return self.reply(404, {"error": "Entry not found"}, {**known, "X-Error-Code": "EntryNotFound"})
        data = hub.files[place, file]
        self.reply(200, data, {**known, "ETag": f'"{hashlib.sha1(data).hexdigest()}"'})

    do_HEAD = do_GET

    def reply(self, code, what, headers=()):
        data = what if isinstance(what, bytes) else json.dumps(what).encode()
        self.send_response(code)
        for k, v in {"content-type": "application/json", "content-length": str(len(data)), **dict(headers)}.items():
            self.send_header(k, v)
        self.end_headers()
        if self.command != "HEAD": self.wfile.write(data)


@contextmanager
def hub_here(folder, token=TOKEN):
    "A Hub that huggingface_hub meanwhile speaks to, with its cache in `folder` and, unless None, this token"
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session
    hub = Hub()
    threading.Thread(target=hub.serve_forever, args=[.01], daemon=True).start()  # seconds until it hears `shutdown`
    with pytest.MonkeyPatch.context() as m:
        m.setattr(constants, "ENDPOINT", hub.url)
        m.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}",
                  raising=False)
        m.setattr(constants, "HF_HUB_OFFLINE", False)
        m.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
        m.setattr(constants, "HF_TOKEN_PATH", str(folder / "token"))
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"): m.delenv(name, raising=False)
        if token: m.setenv("HF_TOKEN", token)
        close_session()
        try: yield hub
        finally:
            hub.shutdown()
            hub.server_close()
            close_session()
