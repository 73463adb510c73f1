"""Network address translation: what kinds there are, and which peers behind them can meet."""
