"""What `fastricks.show_data` returns: a survey of images that shows itself."""
from typing import TYPE_CHECKING

from ..data.account import Account
from ..data.survey import Survey, rows
from ..report.html import Html, code_block, png_element
from ..report.survey import draw_survey, screen

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class DataReport:
    "What is known of some images before a training. `survey` has it as plain data"
    def __init__(self, survey: Survey) -> None: self.survey = survey

    @property
    def account(self) -> Account:
        """The account of the files: found, used, ignored by reason, splits, classes, copies; `account.as_dict` is plain
        data
        """
        return self.survey.account

    @property
    def lines(self) -> list[str]:
        "The report, as `fastricks show data` prints it"
        return screen(self.survey, width=100, height=40)

    @property
    def files(self) -> "pd.DataFrame":
        "A row for each image: image, label, split, width, height, format, mode, copy_of, unreadable"
        import pandas as pd
        return pd.DataFrame(rows(self.survey)).astype(object).fillna("")

    def picture(self) -> "Figure":
        "Samples of each class; lines show what evaluation sees of a photo"
        return draw_survey(self.survey)

    def __repr__(self) -> str: return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        samples = png_element(self.picture(), "Samples of the training images of each class")
        return str(Html("\n").join([code_block(self.lines), samples]))
