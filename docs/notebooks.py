"""The notebooks of nbs/ as pages, as they were last run; nothing is executed."""
import re
from pathlib import Path

import nbformat
from latex2mathml.converter import convert
from nbconvert import MarkdownExporter

NBS = Path(__file__).parents[1] / "nbs"
SET_UP = "#| hide"


def notebook_files():
    "page or picture -> content, for every notebook"
    return {name: content for file in sorted(NBS.glob("*.ipynb")) for name, content in converted(file).items()}


def converted(file):
    nb = nbformat.read(file, 4)
    nb.metadata["language_info"] = {"name": "python"}  # by which code is coloured
    nb.cells = [c for c in nb.cells if not c.source.startswith(SET_UP)]
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = with_links(with_formulas(cell.source))
    text, resources = MarkdownExporter().from_notebook_node(nb, {"output_files_dir": f"{file.stem}_files"})
    pictures = {f"tutorials/{name}": content for name, content in resources["outputs"].items()}
    return {f"tutorials/{file.stem}.md": tidy(text), **pictures}


def with_formulas(text):
    "TeX between dollar signs as MathML, which browsers draw by themselves"
    text = re.sub(r"\$\$(.+?)\$\$", lambda m: convert(m[1], display="block"), text, flags=re.DOTALL)
    return re.sub(r"\$([^$\n]+)\$", lambda m: convert(m[1]), text)


def with_links(text): return text.replace(".ipynb)", ".md)")


def tidy(text):
    "Without pandas' own styles, and with every picture named"
    text = re.sub(r"<style scoped>.*?</style>\n?", "", text, flags=re.DOTALL)
    text = text.replace('<table border="1" class="dataframe">', "<table>")
    return re.sub(r"!\[(?:png|jpeg)\]", "![what the cell above shows]", text)
