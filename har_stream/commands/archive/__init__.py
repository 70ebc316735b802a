"""`har-stream --archive`: recordings recognised at full speed by all cores, and gone on with."""
