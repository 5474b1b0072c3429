/** dollars writes micro-credits exactly, with at least cents. */
export function dollars(micro: bigint): string {
  const whole = micro / 1_000_000n;
  let rest = (micro % 1_000_000n).toString().padStart(6, "0");
  while (rest.length > 2 && rest.endsWith("0")) rest = rest.slice(0, -1);
  return `$${whole}.${rest}`;
}

/** koin writes micro-KOIN exactly. */
export function koin(micro: bigint): string {
  const rest = (micro % 1_000_000n).toString().padStart(6, "0").replace(/0+$/, "");
  return `${micro / 1_000_000n}${rest && "." + rest} KOIN`;
}

/** count writes a whole number with thin spaces between thousands. */
export const count = (n: bigint | number | string): string => n.toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");
