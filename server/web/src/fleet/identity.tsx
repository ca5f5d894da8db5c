/// Who a hub is, for administrators: how long its certificate lasts, a code to claim it by, and the end of its trust.
import { Button } from "@navikt/ds-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { explain } from "../acts";
import { say } from "../announce";
import { type GatewayView, api } from "../api";
import * as format from "../format";
import { useRoomWords } from "../i18n";
import { Notice } from "../parts";
import { ReasonDialog } from "../patient/dialogs";

const LEAST_REASON = 3;

/// `certificates`: the server can give codes; where it cannot, a hub comes in by its password.
export function Identity({ gateway, now, certificates }: { gateway: GatewayView; now: number; certificates: boolean }) {
  const words = useRoomWords();
  const [revoking, revoke] = useState(false);
  const code = useMutation({
    mutationFn: () => api.claimCode(gateway.id),
    networkMode: "always",
    // The code is a secret: gone from memory when the card is.
    gcTime: 0,
  });
  const ends = gateway.certificate_ends_ms;
  return (
    <div className="identity">
      <p>
        {gateway.revoked
          ? words.identity.revoked
          : ends === null
            ? words.identity.none
            : words.identity.until(format.when(ends, now))}
      </p>
      {certificates && (
        <Button size="small" variant="secondary" loading={code.isPending} onClick={() => code.mutate()}>
          {words.identity.code}
          <span className="aksel-sr-only"> {gateway.id}</span>
        </Button>
      )}
      {!gateway.revoked && (
        <Button size="small" variant="tertiary" onClick={() => revoke(true)}>
          {words.identity.revoke}
          <span className="aksel-sr-only"> {gateway.id}</span>
        </Button>
      )}
      {code.data && (
        <div className="code" role="status">
          <p>{words.identity.write(code.data.hours)}</p>
          <p>
            <code>{code.data.code}</code>
          </p>
        </div>
      )}
      {code.isError && (
        <Notice>
          <p>{explain(code.error, words)}</p>
        </Notice>
      )}
      {revoking && <RevokeDialog gateway={gateway.id} done={() => revoke(false)} />}
    </div>
  );
}

function RevokeDialog({ gateway, done }: { gateway: string; done: () => void }) {
  const words = useRoomWords();
  const queries = useQueryClient();
  const act = useMutation({
    mutationFn: (reason: string) => api.revoke(gateway, reason),
    networkMode: "always",
    onSuccess: () => {
      say("polite", words.identity.done(gateway));
      void queries.invalidateQueries({ queryKey: ["fleet"] });
      done();
    },
  });
  return (
    <ReasonDialog
      title={words.identity.title(gateway)}
      what={words.identity.what}
      label={words.identity.why}
      least={LEAST_REASON}
      tooShort={words.identity.whyShort}
      error={act.error}
      busy={act.isPending}
      submit={words.identity.revoke}
      give={act.mutate}
      done={done}
    />
  );
}
