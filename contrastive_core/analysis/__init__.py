"""Analysis of gradients: agreement with the exact gradient, bias, and tuning of strength and tolerances."""
