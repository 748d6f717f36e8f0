"""One thread a process, no network, nobody's W&B account. Import it before torch."""
import os
import warnings

os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", MPLBACKEND="Agg", WANDB_SILENT="true")
for secret in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_PROJECT"):
    os.environ.pop(secret, None)
warnings.filterwarnings("ignore", message=".*torch.jit.script. is deprecated.*", category=FutureWarning)
