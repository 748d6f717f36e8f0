"""The fastai Callbacks behind the tricks and the tool; each works on any Learner."""

