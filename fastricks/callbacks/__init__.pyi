# The names of `fastricks.callbacks`; the other files here serve them.
from .accumulate import Accumulate as Accumulate
from .amp import CPUMixedPrecision as CPUMixedPrecision
from .checkpoint import Checkpoint as Checkpoint
from .distill import Distill as Distill
from .distill import StoredDistill as StoredDistill
from .ema import Ema as Ema
from .guard import Guard as Guard
from .history import History as History
from .keep_best import KeepBest as KeepBest
from .mixup import BatchMixUp as BatchMixUp
from .quick import Quick as Quick
from .sam import Sam as Sam
from .seeds import Seeds as Seeds
from .seen import Seen as Seen
from .train_loss import TrainLoss as TrainLoss
