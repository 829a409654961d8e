"""Programs that stand beside ours: peers that do the same another way, and bare limits that do nothing more."""
