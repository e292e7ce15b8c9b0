package provisioner

// turn is what a node does about a claim that wants a volume.
type turn string

const (
	// turnNone: it is another node's turn.
	turnNone turn = "none"
	// turnProvision: make the volume, or tell why it cannot be made yet.
	turnProvision turn = "provision"
	// turnGive: give the claim to the node where its source is.
	turnGive turn = "give"
	// turnTake: no node has the claim, and this one may.
	turnTake turn = "take"
)

// whoseTurn says what this node does about a claim that the scheduler, or a node,
// has given to the selected node (empty: nobody has), and whose source is on
// sourceNode (empty: unknown as yet; a claim without a source has it here).
// The first rule that matches wins.
func whoseTurn(thisNode, selected, sourceNode string, bindsAtOnce bool) turn {
	switch {
	case selected == thisNode && sourceNode != "" && sourceNode != thisNode:
		// The scheduler does not know of sources. It follows the claim.
		return turnGive
	case selected == thisNode:
		return turnProvision
	case selected != "":
		return turnNone
	case !bindsAtOnce:
		return turnNone // the scheduler's, when there is a pod
	case sourceNode != "" && sourceNode != thisNode:
		return turnNone
	}
	return turnTake
}
