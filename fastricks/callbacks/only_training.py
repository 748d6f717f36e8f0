"""Which fits are trainings."""


def is_training(learn):
    "Whether this fit is a training: fastai's learning rate finder fits too, and so does its collecting of predictions"
    return not hasattr(learn, "lr_finder") and not hasattr(learn, "gather_preds")
