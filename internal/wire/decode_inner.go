package wire

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	lifecyclepb "github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Contents of bytes fields that are no messages.
const (
	certificateContent = "certificate"
	filterContent      = "filter"
)

// content says what a bytes field holds: the full name of a message or one of the
// constants above, "" for plain bytes. The hint goes to whatever is inside.
type content struct{ message, hint string }

// inner is the protocol's knowledge of which bytes field holds what, for fields
// where the name is enough; where it depends on something else, innerByContext
// knows.
func inner(field protoreflect.FieldDescriptor, at *frame, index int, b []byte) content {
	switch field.FullName() {
	case "common.Envelope.payload":
		return content{message: "common.Payload"}
	case "common.Header.channel_header":
		return content{message: "common.ChannelHeader"}
	case "common.Header.signature_header", "common.MetadataSignature.signature_header",
		"common.ConfigSignature.signature_header", "protos.TransactionAction.header":
		return content{message: "common.SignatureHeader"}
	case "common.MetadataSignature.identifier_header":
		return content{message: "common.IdentifierHeader"}
	case "common.SignatureHeader.creator", "protos.Endorsement.endorser",
		"gateway.CommitStatusRequest.identity", "gateway.ChaincodeEventsRequest.identity":
		return content{message: "msp.SerializedIdentity"}
	case "common.BlockData.data":
		return content{message: "common.Envelope"}
	case "common.ConfigUpdateEnvelope.config_update":
		return content{message: "common.ConfigUpdate"}
	case "common.OrdererBlockMetadata.consenter_metadata":
		return content{message: "common.Metadata", hint: "etcdraft.BlockMetadata"}
	case "protos.SignedProposal.proposal_bytes":
		return content{message: "protos.Proposal"}
	case "protos.Proposal.header":
		return content{message: "common.Header"}
	case "protos.Proposal.payload", "protos.ChaincodeActionPayload.chaincode_proposal_payload":
		return content{message: "protos.ChaincodeProposalPayload"}
	case "protos.ChaincodeProposalPayload.input":
		return content{message: "protos.ChaincodeInvocationSpec"}
	case "protos.TransactionAction.payload":
		return content{message: "protos.ChaincodeActionPayload"}
	case "protos.ProposalResponse.payload", "protos.ChaincodeEndorsedAction.proposal_response_payload":
		return content{message: "protos.ProposalResponsePayload"}
	case "protos.ProposalResponsePayload.extension":
		return content{message: "protos.ChaincodeAction"}
	case "protos.ChaincodeAction.results":
		return content{message: "rwset.TxReadWriteSet"}
	case "protos.ChaincodeAction.events":
		return content{message: "protos.ChaincodeEvent"}
	case "rwset.CollectionHashedReadWriteSet.hashed_rwset":
		return content{message: "kvrwset.HashedRWSet"}
	case "rwset.CollectionPvtReadWriteSet.rwset":
		return content{message: "kvrwset.KVRWSet"}
	case "protos.GetStateByRange.metadata", "protos.GetQueryResult.metadata":
		return content{message: "protos.QueryMetadata"}
	case "protos.QueryResponse.metadata":
		return content{message: "protos.QueryResponseMetadata"}
	case "gateway.SignedCommitStatusRequest.request":
		return content{message: "gateway.CommitStatusRequest"}
	case "gateway.SignedChaincodeEventsRequest.request":
		return content{message: "gateway.ChaincodeEventsRequest"}
	case "discovery.SignedRequest.payload":
		return content{message: "discovery.Request"}
	default:
		if isCertificate(field.FullName()) {
			return content{message: certificateContent}
		}
		return innerByContext(field, at, index, b)
	}
}

// isCertificate knows the fields that hold a certificate as PEM text.
func isCertificate(field protoreflect.FullName) bool {
	switch field {
	case "msp.SerializedIdentity.id_bytes",
		"msp.FabricMSPConfig.root_certs", "msp.FabricMSPConfig.intermediate_certs", "msp.FabricMSPConfig.admins",
		"msp.FabricMSPConfig.tls_root_certs", "msp.FabricMSPConfig.tls_intermediate_certs",
		"msp.FabricOUIdentifier.certificate", "msp.SigningIdentityInfo.public_signer",
		"common.Consenter.identity", "common.Consenter.client_tls_cert", "common.Consenter.server_tls_cert",
		"etcdraft.Consenter.client_tls_cert", "etcdraft.Consenter.server_tls_cert":
		return true
	default:
		return false
	}
}

// innerByContext is for bytes whose content depends on fields beside them, on
// where the message stands, or on the bytes themselves.
func innerByContext(field protoreflect.FieldDescriptor, at *frame, index int, b []byte) content {
	if field.Parent().FullName().Parent() == "lifecycle" && field.Name() == "validation_parameter" {
		return content{message: "protos.ApplicationPolicy"}
	}
	switch m := at.message.Interface().(type) {
	case *commonpb.Payload:
		return content{message: payloadContent(m)}
	case *commonpb.ChannelHeader:
		if field.Name() == "extension" && m.GetType() == int32(commonpb.HeaderType_ENDORSER_TRANSACTION) {
			return content{message: "protos.ChaincodeHeaderExtension"}
		}
	case *commonpb.BlockMetadata:
		return blockMetadataContent(index)
	case *commonpb.Metadata:
		if field.Name() == "value" {
			return content{message: at.hint}
		}
	case *commonpb.ConfigValue:
		return content{message: configValueContent(at.mapKey)}
	case *commonpb.Policy:
		return content{message: policyContent(m)}
	case *msppb.MSPPrincipal:
		return content{message: principalContent(m)}
	case *msppb.MSPConfig:
		if m.GetType() == 0 {
			return content{message: "msp.FabricMSPConfig"}
		}
	case *ordererpb.ConsensusType:
		if m.GetType() == "etcdraft" {
			return content{message: "etcdraft.ConfigMetadata"}
		}
	case *peerpb.ChaincodeMessage:
		return content{message: chaincodeMessageContent(m)}
	case *peerpb.ChaincodeInput:
		return content{message: lifecycleArgument(m, at, index)}
	case *peerpb.QueryResultBytes:
		return content{message: queryResultContent(b)}
	case *lifecyclepb.StateData:
		return content{message: definitionPart(at)}
	case *peerpb.StateMetadata:
		if m.GetMetakey() == validationParameter {
			return content{message: "common.SignaturePolicyEnvelope"}
		}
	default:
		return innerOfReadWriteSet(field, at)
	}
	return content{}
}

// validationParameter is the name of the metadata entry that holds the policy of
// a key.
const validationParameter = "VALIDATION_PARAMETER"

// innerOfReadWriteSet knows the values inside read-write sets.
func innerOfReadWriteSet(field protoreflect.FieldDescriptor, at *frame) content {
	switch m := at.message.Interface().(type) {
	case *kvrwsetpb.KVMetadataEntry:
		if m.GetName() == validationParameter {
			return content{message: "common.SignaturePolicyEnvelope"}
		}
	case *kvrwsetpb.KVWrite:
		if at.outerHint() != LifecycleNamespace {
			return content{}
		}
		switch {
		case strings.HasPrefix(m.GetKey(), MetadataKey(SectionNamespaces, "")):
			return content{message: "lifecycle.StateMetadata"}
		case strings.HasPrefix(m.GetKey(), fieldKeys):
			return content{message: "lifecycle.StateData"}
		}
	default:
		if field.FullName() == "rwset.NsReadWriteSet.rwset" {
			namespace := at.message.Get(at.message.Descriptor().Fields().ByName("namespace")).String()
			return content{message: "kvrwset.KVRWSet", hint: namespace}
		}
	}
	return content{}
}

// payloadContent tells Payload.data by the type in the channel header.
func payloadContent(p *commonpb.Payload) string {
	peek, ok := peekChannelHeader(p.GetHeader().GetChannelHeader())
	if !ok {
		return ""
	}
	switch peek.Type {
	case commonpb.HeaderType_CONFIG:
		return "common.ConfigEnvelope"
	case commonpb.HeaderType_CONFIG_UPDATE:
		return "common.ConfigUpdateEnvelope"
	case commonpb.HeaderType_ENDORSER_TRANSACTION:
		return "protos.Transaction"
	case commonpb.HeaderType_ORDERER_TRANSACTION:
		return "common.Envelope"
	case commonpb.HeaderType_DELIVER_SEEK_INFO:
		return "orderer.SeekInfo"
	default:
		return ""
	}
}

// blockMetadataContent tells the five metadata entries of a block.
func blockMetadataContent(index int) content {
	switch commonpb.BlockMetadataIndex(index) {
	case commonpb.BlockMetadataIndex_SIGNATURES:
		return content{message: "common.Metadata", hint: "common.OrdererBlockMetadata"}
	case commonpb.BlockMetadataIndex_LAST_CONFIG:
		return content{message: "common.Metadata", hint: "common.LastConfig"}
	case commonpb.BlockMetadataIndex_TRANSACTIONS_FILTER:
		return content{message: filterContent}
	case commonpb.BlockMetadataIndex_COMMIT_HASH:
		return content{message: "common.Metadata"}
	default:
		return content{}
	}
}

// configValueContent tells a configuration value by its key in the group.
func configValueContent(key string) string {
	switch key {
	case "MSP":
		return "msp.MSPConfig"
	case "AnchorPeers":
		return "protos.AnchorPeers"
	case "ACLs":
		return "protos.ACLs"
	case "Capabilities", "HashingAlgorithm", "BlockDataHashingStructure", "OrdererAddresses", "Consortium", "Orderers":
		return "common." + key
	case "Endpoints":
		return "common.OrdererAddresses"
	case "BatchSize", "BatchTimeout", "ConsensusType", "ChannelRestrictions", "KafkaBrokers":
		return "orderer." + key
	case "ChannelCreationPolicy":
		return "common.Policy"
	default:
		return ""
	}
}

// policyContent tells a policy's value by its type.
func policyContent(p *commonpb.Policy) string {
	switch commonpb.Policy_PolicyType(p.GetType()) {
	case commonpb.Policy_SIGNATURE:
		return "common.SignaturePolicyEnvelope"
	case commonpb.Policy_IMPLICIT_META:
		return "common.ImplicitMetaPolicy"
	default:
		return ""
	}
}

// principalContent tells a principal by its classification.
func principalContent(p *msppb.MSPPrincipal) string {
	switch p.GetPrincipalClassification() {
	case msppb.MSPPrincipal_ROLE:
		return "common.MSPRole"
	case msppb.MSPPrincipal_ORGANIZATION_UNIT:
		return "common.OrganizationUnit"
	case msppb.MSPPrincipal_IDENTITY:
		return "msp.SerializedIdentity"
	case msppb.MSPPrincipal_ANONYMITY:
		return "common.MSPIdentityAnonymity"
	case msppb.MSPPrincipal_COMBINED:
		return "common.CombinedPrincipal"
	default:
		return ""
	}
}

// chaincodeMessageContent tells the payload of a chaincode stream's message by its
// type. The payload of a RESPONSE depends on the request and stays bytes.
func chaincodeMessageContent(m *peerpb.ChaincodeMessage) string {
	switch m.GetType() {
	case peerpb.ChaincodeMessage_REGISTER:
		return "protos.ChaincodeID"
	case peerpb.ChaincodeMessage_READY:
		return "protos.ChaincodeAdditionalParams"
	case peerpb.ChaincodeMessage_INIT, peerpb.ChaincodeMessage_TRANSACTION:
		return "protos.ChaincodeInput"
	case peerpb.ChaincodeMessage_COMPLETED:
		return "protos.Response"
	case peerpb.ChaincodeMessage_INVOKE_CHAINCODE:
		return "protos.ChaincodeSpec"
	case peerpb.ChaincodeMessage_GET_STATE, peerpb.ChaincodeMessage_GET_PRIVATE_DATA_HASH:
		return "protos.GetState"
	case peerpb.ChaincodeMessage_PUT_STATE:
		return "protos.PutState"
	case peerpb.ChaincodeMessage_DEL_STATE, peerpb.ChaincodeMessage_PURGE_PRIVATE_DATA:
		return "protos.DelState"
	case peerpb.ChaincodeMessage_GET_STATE_BY_RANGE:
		return "protos.GetStateByRange"
	case peerpb.ChaincodeMessage_GET_QUERY_RESULT:
		return "protos.GetQueryResult"
	case peerpb.ChaincodeMessage_QUERY_STATE_NEXT:
		return "protos.QueryStateNext"
	case peerpb.ChaincodeMessage_QUERY_STATE_CLOSE:
		return "protos.QueryStateClose"
	case peerpb.ChaincodeMessage_GET_HISTORY_FOR_KEY:
		return "protos.GetHistoryForKey"
	case peerpb.ChaincodeMessage_GET_STATE_METADATA:
		return "protos.GetStateMetadata"
	case peerpb.ChaincodeMessage_PUT_STATE_METADATA:
		return "protos.PutStateMetadata"
	case peerpb.ChaincodeMessage_WRITE_BATCH_STATE:
		return "protos.WriteBatchState"
	case peerpb.ChaincodeMessage_GET_STATE_MULTIPLE:
		return "protos.GetStateMultiple"
	default:
		return ""
	}
}

// lifecycleArgument tells the argument of a _lifecycle function: the message
// called like the function with "Args" behind.
func lifecycleArgument(in *peerpb.ChaincodeInput, at *frame, index int) string {
	if index != 1 || at.outer == nil || at.outer.message == nil {
		return ""
	}
	spec, ok := at.outer.message.Interface().(*peerpb.ChaincodeSpec)
	if !ok || spec.GetChaincodeId().GetName() != LifecycleNamespace {
		return ""
	}
	return "lifecycle." + string(in.GetArgs()[0]) + "Args"
}

// definitionPart tells the bytes of a field of a committed chaincode definition by
// the key that they are written to.
func definitionPart(at *frame) string {
	if at.outer == nil || at.outer.message == nil {
		return ""
	}
	write, ok := at.outer.message.Interface().(*kvrwsetpb.KVWrite)
	if !ok {
		return ""
	}
	switch _, field, _ := strings.Cut(strings.TrimPrefix(write.GetKey(), fieldKeys), "/"); field {
	case FieldEndorsementInfo:
		return "lifecycle.ChaincodeEndorsementInfo"
	case FieldValidationInfo:
		return "lifecycle.ChaincodeValidationInfo"
	case FieldCollections:
		return "protos.CollectionConfigPackage"
	default:
		return ""
	}
}

// queryResultContent tells an item of a history (its first field is a transaction
// id) from an item of a state query.
func queryResultContent(b []byte) string {
	first, ok := lastField(b, 1)
	if !ok {
		return "queryresult.KV"
	}
	if _, err := hex.DecodeString(string(first)); err == nil && len(first) == 64 {
		return "queryresult.KeyModification"
	}
	return "queryresult.KV"
}

// filterNames turns a transaction filter into the names of its codes.
func filterNames(filter []byte) []any {
	names := make([]any, len(filter))
	for i, code := range filter {
		names[i] = peerpb.TxValidationCode(code).String()
	}
	return names
}

// certificate shows a PEM certificate, or plain bytes where it is none.
func (d *decoder) certificate(raw []byte) any {
	block, _ := pem.Decode(raw)
	if block == nil {
		return Bytes(raw)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return Bytes(raw)
	}
	units := make([]any, len(cert.Subject.OrganizationalUnit))
	for i, unit := range cert.Subject.OrganizationalUnit {
		units[i] = strings.ToValidUTF8(unit, "?")
	}
	names := make([]any, 0, len(cert.DNSNames)+len(cert.IPAddresses))
	for _, name := range cert.DNSNames {
		names = append(names, strings.ToValidUTF8(name, "?"))
	}
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	out := &Object{Message: certificateContent, Raw: raw, Fields: []Field{
		{"subject", strings.ToValidUTF8(cert.Subject.String(), "?")},
		{"issuer", strings.ToValidUTF8(cert.Issuer.String(), "?")},
		{"serial_number", cert.SerialNumber.Text(16)},
		{"not_before", cert.NotBefore.UTC().Format(time.RFC3339)},
		{"not_after", cert.NotAfter.UTC().Format(time.RFC3339)},
		{"organizational_units", units},
		{"names", names},
		{"is_ca", cert.IsCA},
		{"public_key", publicKeyText(cert)},
		{"sha256", hex.EncodeToString(Hash(cert.Raw))},
		{"pem", strings.ToValidUTF8(string(raw), "?")},
	}}
	d.fields -= len(out.Fields)
	return out
}

// publicKeyText names the kind of key, for example "ECDSA P-256".
func publicKeyText(cert *x509.Certificate) string {
	if key, ok := cert.PublicKey.(*ecdsa.PublicKey); ok {
		return fmt.Sprintf("ECDSA %s", key.Curve.Params().Name)
	}
	return cert.PublicKeyAlgorithm.String()
}
