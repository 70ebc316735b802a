"""What homes have in common, which a new home's forecasts begin with and soon outgrow."""
