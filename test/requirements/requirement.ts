/** A behaviour that must hold. Tests cite its id in square brackets in their titles. */
export interface Requirement {
  id: string;
  statement: string;
}
