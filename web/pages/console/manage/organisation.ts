/** An organisation as the server gives it. */

export interface Organisation {
  id: string;
  name: string;
  selfRegistration: boolean;
}

export function registrationLink({ id }: Organisation): string {
  return `${location.origin}/exam?organisation=${id}`;
}
