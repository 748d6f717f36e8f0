"""What an exception in the midst of a fit leaves behind, undone."""
import torch


def leave_all(learn):
    """Undo what a fit that an exception ended has left in the Learner and in torch.

    A callback that changes either for the time of a batch or of a fit has a method `leave()`, which may be called at
    any moment.
    """
    leave_autocast(learn.dls.device.type)
    for cb in learn.cbs.sorted("order"):
        if hasattr(type(cb), "leave"):
            cb.leave()


def leave_autocast(device):
    """Autocast is still on where a batch ended early, and its cache of cast weights alive; fastai's MixedPrecision
    can't `leave()`
    """
    torch.autocast_increment_nesting()
    while torch.autocast_decrement_nesting() > 0:
        pass
    torch.clear_autocast_cache()
    torch.set_autocast_enabled(device, False)
