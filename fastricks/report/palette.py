"""One palette for pages, files and notebooks: Okabe and Ito's, which people with any colour vision can tell apart.

https://jfly.uni-koeln.de/color/ (2008). On a page each colour is a CSS variable, which has another value at night.
"""
import re

INK, PAPER, RULE = "#000000", "#ffffff", "#b0b0b0"  # as matplotlib writes text and axes, background and grid
SKY_BLUE, ORANGE, GREEN, BLUE = "#56b4e9", "#e69f00", "#009e73", "#0072b2"
VERMILLION, PURPLE = "#d55e00", "#cc79a7"
GREY = "#808080"
SERIES = BLUE, ORANGE, GREEN, PURPLE, VERMILLION, SKY_BLUE  # of lines, in this order; yellow can't be seen on white
LINES = "-", "--", ":", "-."  # what tells lines apart besides

# CSS variable -> (by day, by night, the colour in figures that it stands for or None)
VARIABLES = {
    "ink": ("#1b1d20", "#e7e9ec", INK), "paper": ("#ffffff", "#15181c", PAPER), "rule": ("#cfd3d8", "#434a53", RULE),
    "soft": ("#555b62", "#a9b0b8", None), "raised": ("#f4f5f7", "#1f242a", None), "link": ("#005f9e", "#7cc4f5", None),
    "blue": (BLUE, "#5fb2ee", BLUE), "orange": ("#d18f00", "#f0b43c", ORANGE), "green": (GREEN, "#2cc59b", GREEN),
    "purple": ("#b9588c", "#e29bc4", PURPLE), "vermillion": (VERMILLION, "#ff8a4a", VERMILLION),
    "sky": ("#3a9bd6", "#8fd0f7", SKY_BLUE), "grey": ("#73797f", "#959ca4", GREY),
    "good": ("#00694c", "#3fd6ab", None), "bad": ("#a84600", "#ff9a61", None), "calm": ("#005f94", "#7cc4f5", None),
    "warned": ("#fff3d1", "#3a2f12", None), "over": ("#ffffff", "#101215", None)}
VARIABLE_OF = {figure: name for name, (_, _, figure) in VARIABLES.items() if figure}


def variables(night=False):
    "The CSS declarations of all variables"
    return " ".join(f"--{name}: {values[night]};" for name, values in VARIABLES.items())


def with_variables(svg):
    "An <svg> as matplotlib writes it, with the page's variables in place of the palette's colours"
    def of_color(found):
        name = VARIABLE_OF.get(found[2].lower())
        return f"{found[1]}var(--{name})" if name else found[0]
    return re.sub(r"((?:fill|stroke): )(#[0-9a-fA-F]{6})\b", of_color, svg)
