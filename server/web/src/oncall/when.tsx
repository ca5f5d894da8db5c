/// A field for a day or a moment. Aksel's own types stop at a time of day; the browser and its styles know more.
import { TextField, type TextFieldProps } from "@navikt/ds-react";

export function WhenField({ type, ...rest }: Omit<TextFieldProps, "type"> & { type: "date" | "datetime-local" }) {
  return <TextField size="small" {...rest} type={type as "time"} />;
}
