"""What hooks are handed, as types: of the rooms above, and beside, what a trick may rely on, since it imports neither.
"""
from collections.abc import Callable, Sequence
from dataclasses import Field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from torch import Tensor

Loss = Callable[..., "Tensor"]                   # of training: (logits [n, K], targets) -> a scalar
Rate = Callable[[int, "ScheduleLike"], float]    # (step s, schedule) -> learning rate or momentum of that step


class ItemLike(Protocol):
    "One labelled image (`data.source.Item`)"
    @property
    def name(self) -> str: ...      # path relative to the data's root
    @property
    def label(self) -> str: ...     # class name
    @property
    def split(self) -> str: ...     # train, valid or test
    @property
    def image(self) -> object: ...  # Path of the file, or the pixels


class SourceLike(Protocol):
    "The data of a run (`data.source.Source`)"
    @property
    def name(self) -> str: ...
    @property
    def classes(self) -> tuple[str, ...]: ...  # a label's number is its place here
    def of(self, split: str) -> Sequence[ItemLike]: ...


class RecipeLike(Protocol):
    "The fields of a `recipe.recipe.Recipe` that change the weights, and what follows from them"
    @property
    def data(self) -> str: ...
    @property
    def classes(self) -> str | None: ...
    @property
    def per_class(self) -> int | None: ...
    @property
    def rest(self) -> str: ...
    @property
    def valid(self) -> float: ...
    @property
    def drop_duplicates(self) -> bool: ...
    @property
    def group_by(self) -> str | None: ...
    @property
    def class_order(self) -> str | None: ...           # natural or text
    @property
    def arch(self) -> str: ...
    @property
    def arch_option(self) -> dict[str, Any]: ...        # name -> value, of what timm makes the network with
    @property
    def pretrained(self) -> bool: ...
    @property
    def weights(self) -> str | None: ...
    @property
    def epochs(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def lr(self) -> float: ...  # the word "find" until it is found, which a `check` may meet
    @property
    def wd(self) -> float: ...
    @property
    def opt(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def resize(self) -> int | None: ...
    @property
    def shape(self) -> str | None: ...                  # "320x240" of what is no square; size is its longer side
    @property
    def fit(self) -> str: ...
    @property
    def channels(self) -> int: ...
    @property
    def icc(self) -> bool | None: ...                   # None, as white: what the data decides
    @property
    def white(self) -> int | None: ...
    @property
    def xmp(self) -> bool | None: ...
    @property
    def min_scale(self) -> float: ...
    @property
    def flip(self) -> bool: ...
    @property
    def keep(self) -> str: ...
    @property
    def patience(self) -> int | None: ...
    @property
    def pipeline(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def compile(self) -> bool | str: ...                # auto until a probe has decided, as layout
    @property
    def layout(self) -> str: ...
    @property
    def sync_bn(self) -> bool: ...
    @property
    def threads(self) -> int | None: ...
    @property
    def processes(self) -> int | None: ...
    @property
    def tricks(self) -> dict[str, dict[str, Any]]: ...  # name -> keys, of what is switched on
    @property
    def from_scratch(self) -> bool: ...
    @property
    def whole_batch(self) -> int: ...                   # images of a batch of all processes together


class GroupLike(Protocol):
    "A parameter group (`model.optimizers.Group`), a dataclass: `dataclasses.replace` changes it"
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    @property
    def name(self) -> str: ...
    @property
    def params(self) -> "list[Tensor]": ...
    @property
    def wd(self) -> float: ...    # its weight decay
    @property
    def rate(self) -> float: ...  # factor of its learning rate


class ViewsLike(Protocol):
    "What is done to a training image (`data.pixels.views.Views`), a dataclass: `dataclasses.replace` changes it"
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    @property
    def alternate(self) -> bool: ...                      # mirrored in every other epoch, not by a coin
    @property
    def side(self) -> Callable[[int], int] | None: ...    # epoch (0 is the first) -> pixels of the square
    @property
    def pixels(self) -> tuple[Callable[..., Any], ...]: ...      # steps on uint8 [3, h, w], after crop and flip
    @property
    def normalised(self) -> tuple[Callable[..., Any], ...]: ...  # steps on float [n, 3, h, w], after normalisation


class ScheduleLike(Protocol):
    "The learning rate of every step (`recipe.schedule.Schedule`), a dataclass: `dataclasses.replace` changes it"
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    @property
    def lr(self) -> float: ...              # l, which warm-up ends at and the main schedule starts from
    @property
    def epochs(self) -> int: ...
    @property
    def per_epoch(self) -> int: ...         # optimizer steps an epoch
    @property
    def main(self) -> Rate: ...
    @property
    def warmup(self) -> Rate | None: ...    # for the first `warm` steps
    @property
    def warm(self) -> int: ...              # steps of warm-up
    @property
    def hold(self) -> int: ...              # steps at l between warm-up and the main schedule
    @property
    def mom(self) -> Rate | None: ...       # momentum, where the schedule moves it too
    @property
    def total(self) -> int: ...             # steps of the run
    def steps(self, x: float) -> int: ...   # in a fraction of the run if < 1, else in epochs
    def __call__(self, s: int) -> float: ...
