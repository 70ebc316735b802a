"""Any camera or file to sampled frames, its region and masks applied, and its changes of state."""
