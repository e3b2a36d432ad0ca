"""Seeds from an LLM: requests in batches, rules on what comes back, one published table."""
