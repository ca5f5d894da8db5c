/// A page that fails, or whose code cannot be fetched because a newer server has other files, takes nothing else with
/// it: who watches alarms must never look at an empty window. Going elsewhere, or loading anew, leads on.
import { Button } from "@navikt/ds-react";
import { Component, type ReactNode } from "react";
import { useLocation } from "wouter";
import { useWords } from "../i18n";
import { Notice, useTitle } from "../parts";

/// Shows its children, and words in their place where they fail, until somebody goes elsewhere.
export function Failing({ children }: { children: ReactNode }) {
  const [here] = useLocation();
  return <Boundary here={here}>{children}</Boundary>;
}

class Boundary extends Component<{ here: string; children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override componentDidUpdate(before: { here: string }) {
    if (this.state.failed && before.here !== this.props.here) this.setState({ failed: false });
  }

  override render() {
    return this.state.failed ? <Failed /> : this.props.children;
  }
}

function Failed() {
  const words = useWords();
  useTitle(words.failed.page);
  return (
    <div className="page">
      <h1>{words.failed.page}</h1>
      <div className="failed">
        <Notice>
          <p>{words.failed.pageWhat}</p>
        </Notice>
        <Button size="small" variant="secondary" onClick={() => location.reload()}>
          {words.failed.reload}
        </Button>
      </div>
    </div>
  );
}
