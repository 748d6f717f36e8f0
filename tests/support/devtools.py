"""A headless Chromium, asked over its DevTools pipe: no driver, no web socket, nothing to install but the browser."""
import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time

BROWSER = next((o for o in map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome")) if o), None)
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe"]


def high(fd):
    "The same file under a number that is not 3 or 4, where Chromium wants its pipes"
    new = fcntl.fcntl(fd, fcntl.F_DUPFD, 20)
    os.close(fd)
    return new


class Page:
    "A tab of a browser of its own; `requests` are the addresses that it asked for"
    def __init__(self, folder, size=(1100, 700)):
        (r, self.out), (self.into, w) = os.pipe(), os.pipe()
        r, w = high(r), high(w)
        flags = [*FLAGS, f"--user-data-dir={folder}", f"--window-size={size[0]},{size[1]}", "about:blank"]
        words = ["bash", "-c", f'exec "$@" 3<&{r} 4>&{w}', "bash", BROWSER, *flags]
        self.process = subprocess.Popen(words, pass_fds=(r, w), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(r)
        os.close(w)
        self.n, self.rest, self.requests, self.session = 0, b"", [], None
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self.session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "DOM"): self(f"{domain}.enable")

    def __call__(self, method, **params):
        "A command's result"
        self.n += 1
        message = {"id": self.n, "method": method, "params": params,
                   **({"sessionId": self.session} if self.session else {})}
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while (got := self.read()).get("id") != self.n:
            if got.get("method") == "Network.requestWillBeSent": self.requests.append(got["params"]["request"]["url"])
        assert "error" not in got, got
        return got["result"]

    def read(self, seconds=60):
        while b"\0" not in self.rest:
            assert select.select([self.into], [], [], seconds)[0], "the browser does not answer"
            self.rest += os.read(self.into, 1 << 16) or (b"{}\0" * (self.process.poll() is None) or self.gone())
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def gone(self): raise AssertionError("the browser ended")

    def js(self, code): return self("Runtime.evaluate", expression=code, returnByValue=True)["result"].get("value")

    def until(self, code, seconds=60):
        "The value of an expression as soon as it is true"
        end = time.monotonic() + seconds
        while not (value := self.js(code)):
            assert time.monotonic() < end, f"never: {code}\n{self.js('document.body.innerText')}"
            time.sleep(.1)
        return value

    def upload(self, selector, file):
        "As if a person had chosen a file"
        root = self("DOM.getDocument")["root"]["nodeId"]
        node = self("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self("DOM.setFileInputFiles", files=[str(file)], nodeId=node)

    def picture(self): return base64.b64decode(self("Page.captureScreenshot", format="png")["data"])

    def close(self):
        self.process.terminate()
        self.process.wait()
        os.close(self.out)
        os.close(self.into)
