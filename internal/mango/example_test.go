package mango_test

import (
	"fmt"

	"github.com/fabriscope/fabriscope/internal/mango"
)

func ExampleParseQuery() {
	query, err := mango.ParseQuery(`{"selector": {"owner": "Ann", "size": {"$gte": 5}}, "fields": ["size"]}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	matcher := query.Matcher()
	for _, value := range []string{`{"owner":"Ann","size":7}`, `{"owner":"Ann","size":3}`, `no JSON`} {
		result, found, _ := matcher.Match("asset1", []byte(value))
		fmt.Printf("%v %q\n", found, result)
	}
	// Output:
	// true "{\"size\":7}"
	// false ""
	// false ""
}

func ExampleParseQuery_wrong() {
	_, err := mango.ParseQuery(`{"selector": {"size": {"$above": 5}}}`)
	fmt.Println(err)
	// Output:
	// invalid_operator: Invalid operator: $above (at size; the operators are $eq $ne $gt $gte $lt $lte $in $nin $exists $type $size $mod $regex $beginsWith $all $elemMatch $allMatch $keyMapMatch, and $and $or $nor $not)
}

func ExampleQuery_Plan() {
	index, err := mango.ParseIndex([]byte(`{"index": {"fields": ["owner"]}, "ddoc": "indexOwnerDoc", "name": "indexOwner", "type": "json"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, text := range []string{`{"selector": {"owner": "Ann"}}`, `{"selector": {"size": 5}}`} {
		query, err := mango.ParseQuery(text)
		if err != nil {
			fmt.Println(err)
			return
		}
		plan, err := query.Plan([]*mango.Index{index})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("index: %v, warning: %q\n", plan.Index != nil, plan.Warning)
	}
	// Output:
	// index: true, warning: ""
	// index: false, warning: "No matching index found, create an index to optimize query time."
}
