/// The other door: the municipality's provider of identities. Whoever comes back without coming in is told why.
import { Button } from "@navikt/ds-react";
import { useWords } from "../i18n";
import { Notice } from "../parts";

export function ByProvider({ name, turned }: { name: string; turned: string | null }) {
  const words = useWords();
  return (
    <div className="sign-in-provider">
      <p className="or">{words.access.or}</p>
      {turned && (
        <Notice>
          <p>{words.access.turned[turned] ?? words.access.turned.refused}</p>
        </Notice>
      )}
      <Button as="a" href="/api/session/oidc" variant="secondary">
        {words.access.signInWith(name)}
      </Button>
    </div>
  );
}
