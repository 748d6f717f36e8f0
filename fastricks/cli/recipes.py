"""The verb `recipes`. Light."""
from .options import Debug


def recipes_command(debug: Debug = False):
    """List the named recipes with their sources and settings."""
    from ..report.cards import recipe_list
    for line in recipe_list():
        print(line)
