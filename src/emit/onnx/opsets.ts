/** ONNX operator sets that models are written for; all are tested in ONNX Runtime. */
export const lowestOpset = 18;
/** From this one on there is one operator for attention. */
export const attentionOpset = 23;
export const highestOpset = 23;
