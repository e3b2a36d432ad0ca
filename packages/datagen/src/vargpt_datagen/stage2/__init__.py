"""`datagen build-stage2`: LLaVA-1.5, LLaVA-OneVision and -130K mixed into one set."""
