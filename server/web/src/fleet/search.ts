/// Finding a gateway among thousands: by its own words and its patients', or by what is wrong with it.
import type { GatewayView, Holder } from "../api";

const LOW_BATTERY = 15;

const small = (text: string): string => text.trim().toLocaleLowerCase("nb");

/// Whether somebody should look after it: it cannot be heard, it complains, or a device of it is lost, flat or nobody's.
export function troubled(gateway: GatewayView, holders: readonly Holder[]): boolean {
  const held = new Set(holders.map((one) => one.device));
  return (
    !gateway.online ||
    gateway.notes.length > 0 ||
    gateway.config === "refused" ||
    gateway.devices.some(
      (device) =>
        device.link === "lost" || (device.battery !== null && device.battery <= LOW_BATTERY) || !held.has(device.id),
    )
  );
}

export function found(gateways: readonly GatewayView[], holders: readonly Holder[], text: string): GatewayView[] {
  const names = new Map<string, string>(holders.map((one) => [one.device, one.name]));
  const wanted = small(text);
  return gateways.filter((gateway) =>
    [gateway.id, gateway.place, ...gateway.devices.flatMap((device) => [device.id, names.get(device.id) ?? ""])].some(
      (word) => small(word).includes(wanted),
    ),
  );
}
