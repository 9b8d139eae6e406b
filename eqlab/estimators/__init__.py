"""Estimators of scikit-learn around networks, rules and machines."""
