"""Networks in the formats of other programs: ONNX graphs of what a network computes, and NIR graphs of how it settles."""
