"""Import me before fastai: silences a warning of its import that a user can do nothing about."""
import warnings

warnings.filterwarnings("ignore", message=".*torch.jit.script. is deprecated.*", category=FutureWarning)
