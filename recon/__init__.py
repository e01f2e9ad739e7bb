"""Video to avatar: decode, landmarks, matte, tracking, Gaussian fitting, evaluation, synthetic captures with known truth."""
