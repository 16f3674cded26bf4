"""Optional help for plugin authors: images, models with their cards, CTC, drawing, training."""
