"""scizor collects market data and proves that it is complete. See README.md for what each floor below knows."""
