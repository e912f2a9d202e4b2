"""Remote: engines that are servers, spoken to in their own dialects."""
