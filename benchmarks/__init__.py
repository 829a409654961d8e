"""What is measured, against whom, and how: ours, a peer and a bare limit side by side in the same run."""
