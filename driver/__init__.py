"""Speech to motion: audio features, training corpora, the generative model, sampling, evaluation."""
