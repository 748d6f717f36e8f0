"""One file a trick. A new file is a new trick: nothing else need change."""

