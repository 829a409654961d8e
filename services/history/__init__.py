"""History: keeps the log, folds it into room state, and answers pages, snapshots and reads (design §7)."""
