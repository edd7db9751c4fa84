package inspector

import (
	"maps"

	"fyne.io/fyne/v2/lang"
)

// words are the fixed words of documents, each with its form in the window's language.
func words() map[string]string {
	all := titles()
	maps.Copy(all, names())
	return all
}

// titles are the titles of blocks and the stations of journeys.
func titles() map[string]string {
	return map[string]string{
		"Transactions":                  lang.L("Transactions"),
		"Why it was rejected":           lang.L("Why it was rejected"),
		"Why it will be rejected":       lang.L("Why it will be rejected"),
		"Messages":                      lang.L("Messages"),
		"Calls":                         lang.L("Calls"),
		"Blocks":                        lang.L("Blocks"),
		"At the peers":                  lang.L("At the peers"),
		"Write set":                     lang.L("Write set"),
		"What happened":                 lang.L("What happened"),
		"Votes":                         lang.L("Votes"),
		"Value":                         lang.L("Value"),
		"The peers have parted":         lang.L("The peers have parted"),
		"The peers do not agree":        lang.L("The peers do not agree"),
		"The last ones":                 lang.L("The last ones"),
		"The file says something else":  lang.L("The file says something else"),
		"The endorsers' results differ": lang.L("The endorsers' results differ"),
		"State":                         lang.L("State"),
		"Some peers are behind":         lang.L("Some peers are behind"),
		"Simulations":                   lang.L("Simulations"),
		"Rules":                         lang.L("Rules"),
		"Read-write sets":               lang.L("Read-write sets"),
		"Read set":                      lang.L("Read set"),
		"Now":                           lang.L("Now"),
		"Not endorsed":                  lang.L("Not endorsed"),
		"Nodes":                         lang.L("Nodes"),
		"Namespaces":                    lang.L("Namespaces"),
		"History":                       lang.L("History"),
		"Envelope":                      lang.L("Envelope"),
		"Endorsements":                  lang.L("Endorsements"),
		"Content":                       lang.L("Content"),
		"Committed definitions":         lang.L("Committed definitions"),
		"Chaincode packages":            lang.L("Chaincode packages"),
		"Call":                          lang.L("Call"),
		"At the ordering nodes":         lang.L("At the ordering nodes"),
		"Answer":                        lang.L("Answer"),
		"All peers agree":               lang.L("All peers agree"),
		"About this block":              lang.L("About this block"),
		"Proposed":                      lang.L("Proposed"),
		"Simulated":                     lang.L("Simulated"),
		"Endorsed":                      lang.L("Endorsed"),
		"Ordered":                       lang.L("Ordered"),
		"Validated":                     lang.L("Validated"),
		"Valid":                         lang.L("Valid"),
		"Invalid":                       lang.L("Invalid"),
	}
}

// names are those of columns and fields. "hash" and "id" are missing: catalogues of Fyne's
// lang package reserve them.
func names() map[string]string {
	return map[string]string{
		"previous hash":           lang.L("previous hash"),
		"data hash":               lang.L("data hash"),
		"value":                   lang.L("value"),
		"state":                   lang.L("state"),
		"content":                 lang.L("content"),
		"answer":                  lang.L("answer"),
		"status":                  lang.L("status"),
		"since":                   lang.L("since"),
		"ledger":                  lang.L("ledger"),
		"last block":              lang.L("last block"),
		"its verdicts":            lang.L("its verdicts"),
		"height":                  lang.L("height"),
		"fault":                   lang.L("fault"),
		"compare":                 lang.L("compare"),
		"commit hash":             lang.L("commit hash"),
		"address":                 lang.L("address"),
		"transaction id":          lang.L("transaction id"),
		"channel":                 lang.L("channel"),
		"chaincode":               lang.L("chaincode"),
		"function":                lang.L("function"),
		"created by":              lang.L("created by"),
		"term":                    lang.L("term"),
		"version":                 lang.L("version"),
		"written by":              lang.L("written by"),
		"transaction":             lang.L("transaction"),
		"took":                    lang.L("took"),
		"began":                   lang.L("began"),
		"result":                  lang.L("result"),
		"time":                    lang.L("time"),
		"what":                    lang.L("what"),
		"peer":                    lang.L("peer"),
		"received":                lang.L("received"),
		"validated in":            lang.L("validated in"),
		"package":                 lang.L("package"),
		"node":                    lang.L("node"),
		"written":                 lang.L("written"),
		"kind":                    lang.L("kind"),
		"sent":                    lang.L("sent"),
		"lost":                    lang.L("lost"),
		"key":                     lang.L("key"),
		"read version":            lang.L("read version"),
		"at commit":               lang.L("at commit"),
		"call":                    lang.L("call"),
		"from":                    lang.L("from"),
		"to":                      lang.L("to"),
		"block":                   lang.L("block"),
		"transactions":            lang.L("transactions"),
		"verdict":                 lang.L("verdict"),
		"in the file":             lang.L("in the file"),
		"not applied":             lang.L("not applied"),
		"satisfied":               lang.L("satisfied"),
		"signature holds":         lang.L("signature holds"),
		"commit hashes are equal": lang.L("commit hashes are equal"),
		"as written":              lang.L("as written"),
		"package id":              lang.L("package id"),
		"started in":              lang.L("started in"),
		"calls":                   lang.L("calls"),
		"event":                   lang.L("event"),
	}
}
