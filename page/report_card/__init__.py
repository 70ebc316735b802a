"""How good the forecasts were in this home, and how its days were spent."""
