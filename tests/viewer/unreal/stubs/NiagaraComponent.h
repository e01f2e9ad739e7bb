#pragma once

#include "CoreMinimal.h"
#include "Components/ActorComponent.h"

class UFXSystemComponent : public UPrimitiveComponent {};

class UNiagaraComponent : public UFXSystemComponent
{
public:
	void SetVariableInt(FName InVariableName, int32 InValue);
};
