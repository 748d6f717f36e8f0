"""An HTML page: is it whole, what does it link to, what does it say?"""
from html.parser import HTMLParser


class ParsedPage(HTMLParser):
    "`open`: tags that nobody closed; `links`: all that a browser would load or follow; `text`: what is read"
    VOID = {"meta", "br", "wbr", "use", "path", "rect", "image", "img"}

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.tags, self.text = [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("href", "src", "action", "data")]
        if tag not in self.VOID: self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID: self.open.pop()

    def handle_endtag(self, tag): assert tag in self.VOID or self.open.pop() == tag, tag
    def handle_data(self, data): self.text += data
