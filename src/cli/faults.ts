/** How a command ends: 0 done, 1 the user's file or data, 2 the command line, 70 a defect of ours. */
export class UserFault extends Error {
  override name = "UserFault";
}
/** The diagnostics have been shown already. */
export class Reported extends Error {
  override name = "Reported";
}
export class UsageFault extends Error {
  override name = "UsageFault";
}
