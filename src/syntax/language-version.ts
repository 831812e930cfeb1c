/** Which language do specs of this compiler speak? Raised when a spec that compiled would compile to something else, or no more. */
export const languageVersion = 1;
